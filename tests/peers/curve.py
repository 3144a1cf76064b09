"""A device and a client that are secured as pyzmq does it, with certificates that zmq.auth makes.

serve NAME CLIENT.key COUNT         make the certificates NAME, admit that client alone, print the endpoint, and send COUNT messages
                                    once it has subscribed
read NAME SERVER.key COUNT ENDPOINT read COUNT messages as NAME, and print them together in hexadecimal
"""
import os
import sys

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

what, name, other, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
context = zmq.Context()
if what == "serve":
    zmq.auth.create_certificates(".", name)
    os.mkdir("clients")
    os.link(other, "clients/client.key")
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve(domain="*", location="clients")
    socket = context.socket(zmq.XPUB)
    socket.sndhwm = 0
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(name + ".key_secret")
    socket.curve_server = True
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    print(f"tcp://127.0.0.1:{port} ", flush=True)
    socket.recv()
    for number in range(count):
        socket.send(b"d message %d \0\1" % number)
    socket.close(60_000)
    context.term() if not authenticator.stop() else None
else:
    socket = context.socket(zmq.SUB)
    socket.rcvhwm = 0
    socket.rcvtimeo = 60_000
    socket.subscribe(b"")
    socket.curve_serverkey = zmq.auth.load_certificate(other)[0]
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(name + ".key_secret")
    socket.connect(sys.argv[5])
    print(b"".join(socket.recv() for _ in range(count)).hex())
