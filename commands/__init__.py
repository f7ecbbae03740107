"""The khaen command line, a thin face over the other rooms."""
