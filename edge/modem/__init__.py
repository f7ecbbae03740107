"""LoRa modules that are told by AT commands on a serial port."""
