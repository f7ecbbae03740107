"""Simulated gateways: when they transmit, and Semtech's protocol towards a real agent."""
