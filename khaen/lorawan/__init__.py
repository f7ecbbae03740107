"""LoRaWAN 1.0.x: frames, MAC commands, cryptography, counters, the AS923-1 region and air time.

`frame`, `mac`, `counter`, `region` and `airtime` need the standard library only; gateways import
them. `crypto` needs `cryptography`, which a gateway does not have: it holds no keys.
"""
