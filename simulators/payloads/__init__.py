"""Values to payload bytes: the other direction of `decoders.families`, from the same sources.

One module per maker or device; each function returns the bytes of one frame and raises ValueError
for what its format cannot carry.
"""
