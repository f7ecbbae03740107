"""What tests share: real servers, free ports, and the watch over what a test leaves behind."""
