"""The languages of LoRa modules on serial ports: one file per dialect, its constant `DIALECT`."""
