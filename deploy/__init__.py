"""From the site file to what runs: gateways, network server, certificates, processes."""
