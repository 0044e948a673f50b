"""Messages posted over HTTP, stored, and delivered to sockets: Baton beside a server with socket.io."""
