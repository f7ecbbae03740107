"""The same devices one level up: what a network server tells of their uplinks, without a radio.

`uplinks` turns frames on the air into uplinks with their receptions; `chirpstack`,
`the_things_stack` and `raw` write each in one form; `publisher` hands them to a broker and
`stream` sets the pace.
"""
