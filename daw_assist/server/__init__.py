"""The engine behind ZeroMQ: protocol, server, client."""
