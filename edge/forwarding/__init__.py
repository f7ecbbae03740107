"""From the outbox to the broker: live at once, late in order, again until receipted."""
