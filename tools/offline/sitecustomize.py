"""On PYTHONPATH, this cuts a Python process off from every host but its own machine."""

import socket

LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", None)
connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo


def connect_locally(self, address):
    if isinstance(address, tuple) and address[0] not in LOCAL:
        raise OSError(f"the network is off in this test: {address[0]}")
    return connect(self, address)


def resolve_locally(host, *arguments, **options):
    if host not in LOCAL:
        raise OSError(f"the network is off in this test: {host}")
    return getaddrinfo(host, *arguments, **options)


socket.socket.connect = connect_locally
socket.getaddrinfo = resolve_locally
