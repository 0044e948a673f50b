"""Traffic for a running Baton: customers, operators and an admin over HTTP, and the account of it all."""
