"""Rules, the alarm state machine, escalation, and the channels to people."""
