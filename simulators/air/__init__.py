"""The radio between devices and gateways: how far, how strong, and what collides."""
