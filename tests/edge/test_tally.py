"""The counts that the gateway bridge adds to a forwarder's statistics."""

from chirpstack_api import gw

from edge.semtech.tally import Tally


def modulation(spreading_factor: int) -> gw.Modulation:
    lora = gw.LoraModulationInfo(
        bandwidth=125_000, spreading_factor=spreading_factor, code_rate=gw.CR_4_5
    )
    return gw.Modulation(lora=lora)


def uplink(frequency: int, spreading_factor: int) -> gw.UplinkFrame:
    info = gw.UplinkTxInfo(frequency=frequency, modulation=modulation(spreading_factor))
    return gw.UplinkFrame(tx_info=info)


def test_counts_by_channel_and_modulation_and_begins_anew() -> None:
    tally = Tally()
    for frequency, spreading_factor in ((923_200_000, 7), (923_200_000, 9), (923_400_000, 7)):
        tally.hear(uplink(frequency, spreading_factor))
    item = gw.DownlinkFrameItem(
        tx_info=gw.DownlinkTxInfo(frequency=923_200_000, modulation=modulation(10))
    )
    tally.send(
        gw.DownlinkFrame(items=[item, item, item]),
        gw.DownlinkTxAck(
            items=[
                gw.DownlinkTxAckItem(status=status) for status in (gw.TOO_LATE, gw.OK, gw.IGNORED)
            ]
        ),
    )
    stats = gw.GatewayStats(rx_packets_received=5, tx_packets_received=1)
    tally.fill(stats)
    assert (stats.rx_packets_received, stats.rx_packets_received_ok) == (5, 3)
    assert (stats.tx_packets_received, stats.tx_packets_emitted) == (1, 1)
    assert dict(stats.rx_packets_per_frequency) == {923_200_000: 2, 923_400_000: 1}
    assert {
        m.modulation.lora.spreading_factor: m.count for m in stats.rx_packets_per_modulation
    } == {
        7: 2,
        9: 1,
    }
    assert dict(stats.tx_packets_per_frequency) == {923_200_000: 1}
    assert dict(stats.tx_packets_per_status) == {"TOO_LATE": 1, "OK": 1}
    again = gw.GatewayStats()
    tally.fill(again)
    assert again == gw.GatewayStats()


def test_a_hostile_forwarder_cannot_fill_the_memory() -> None:
    tally = Tally()
    for frequency in range(10_000):
        tally.hear(uplink(frequency, 7))
    stats = gw.GatewayStats()
    tally.fill(stats)
    assert len(stats.rx_packets_per_frequency) == 256
