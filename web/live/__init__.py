"""Live: every change reaches every screen that may see it. Sockets, the protocol over them, and the relay."""
