"""A site without hardware: radio, devices, people, faults, a stand-in network server."""
