"""Which DevAddrs are ours: prefixes of NetIDs, of the site file, and of ABP devices."""

from __future__ import annotations

from khaen.site.model import Site

# LoRaWAN L2 1.0.4, section 6.1.1, table 21: the bits of NwkID in a DevAddr by type of NetID; the
# type itself takes one bit more than its number.
_NWK_ID_BITS = (6, 6, 9, 11, 12, 13, 15, 17)


def net_id_prefix(net_id: str) -> str:
    """The DevAddr prefix `AABBCCDD/bits` of a NetID, six hex digits: `000013` is `26000000/7`."""
    value = int(net_id, 16)
    kind = value >> 21
    width = _NWK_ID_BITS[kind]
    nwk_id = value & ((1 << width) - 1)
    # `kind` ones and a zero, then NwkID.
    head = ((1 << kind) - 1) << 1
    bits = kind + 1 + width
    return f"{((head << width) | nwk_id) << (32 - bits):08x}/{bits}"


def prefixes(site: Site) -> tuple[str, ...]:
    """All prefixes of the site, sorted."""
    found = {net_id_prefix(net_id) for net_id in site.lorawan.net_ids}
    found |= {prefix.lower() for prefix in site.lorawan.prefixes}
    found |= {f"{device.dev_addr}/32" for device in site.devices if device.dev_addr is not None}
    return tuple(sorted(found))
