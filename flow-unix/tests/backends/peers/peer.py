"""The far end of a flow, made of the socket module alone.

The arguments are what to do, the family, and where to go; without the last, it listens and prints where. What is wrong is its exit message.
"""
import hashlib
import os
import signal
import socket
import struct
import sys
import threading

LEN = 8 * 1024 * 1024 + 5
FILLING = bytes((i * i >> 5) & 255 for i in range(8, 65536))
CONTENT = b"".join(struct.pack("<Q", n) + FILLING for n in range(LEN // 65536 + 1))[:LEN]


def same(got, wanted, what):
    if got != wanted:
        pairs = enumerate(zip(got, wanted))
        first = next((i for i, (a, b) in pairs if a != b), min(len(got), len(wanted)))
        sys.exit(f"{what}: got {len(got)} of {len(wanted)} bytes, the first wrong one at {first}")


def rest(peer):
    parts = []
    while part := peer.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def exactly(peer, wanted):
    same(peer.recv(len(wanted), socket.MSG_WAITALL), wanted, "the flow's word")


def echoes(peer):
    while part := peer.recv(1 << 16):
        peer.sendall(part)


def is_echoed(peer):
    def send():
        peer.sendall(CONTENT)
        peer.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send)
    sending.start()
    same(rest(peer), CONTENT, "the echo")
    sending.join()


def ends_first(peer):
    peer.sendall(CONTENT)
    peer.shutdown(socket.SHUT_WR)
    same(rest(peer), CONTENT, "the flow's answer after python's end")


def answers_the_end(peer):
    peer.sendall(hashlib.sha256(rest(peer)).hexdigest().encode())


def resets(peer):
    peer.sendall(b"part")
    # The flow has read the part. What follows "go" is left unread, which is a reset where the family is Unix.
    exactly(peer, b"go")
    if peer.family == socket.AF_INET:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def is_killed(peer):
    peer.sendall(CONTENT[:100_000])
    os.kill(os.getpid(), signal.SIGKILL)


def gets_all(peer):
    sys.stdin.readline()
    same(rest(peer), CONTENT, "what the flow wrote before it was dropped")


def gets_a_part(peer):
    sys.stdin.readline()
    try:
        got = rest(peer)
        print("end")
    except ConnectionResetError:
        print("reset")
        return
    same(got, CONTENT[: len(got)], "the part before the abort")
    if len(got) == LEN:
        sys.exit("the flow was aborted in the middle of a write, and all of it came")


def main(what, family, where=None):
    kind = {"Unix": socket.AF_UNIX, "TCP": socket.AF_INET}[family]
    peer = socket.socket(kind, socket.SOCK_STREAM)
    if where is None:
        if kind == socket.AF_INET:
            peer.bind(("127.0.0.1", 0))
            where = peer.getsockname()[1]
        else:
            where = os.path.join(os.environ["FOLDER"], "python")
            peer.bind(where)
        peer.listen()
        print(where, flush=True)
        peer = peer.accept()[0]
    else:
        peer.connect(("127.0.0.1", int(where)) if kind == socket.AF_INET else where)
    # A hang is a failure.
    peer.settimeout(60)
    globals()[what](peer)
    peer.close()


main(*sys.argv[1:])
