"""Why a gateway is not well: facts are gathered, each check looks at them, and the rest is text."""
