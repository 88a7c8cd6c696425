"""Between a client and its server, to count what is said."""
import socket
import threading

RECEIVE_BYTES = 65536


class Relay:
    """`there` and `back` are the bytes that it passed on, of all connections: a browser
    makes some in advance."""

    def __init__(self, host, port):
        self.upstream = (host, port)
        self.there = self.back = 0
        self.counting = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        self.threads = []
        self.start(self.accept)

    def start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        try:
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.upstream)
                self.sockets += [client, server]
                self.start(self.pass_on, client, server, "there")
                self.start(self.pass_on, server, client, "back")
        except OSError:
            pass  # it is closed

    def pass_on(self, source, target, name):
        try:
            while data := source.recv(RECEIVE_BYTES):
                with self.counting:
                    setattr(self, name, getattr(self, name) + len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # an end is an end; the other side sees it, too

    def close(self):
        """From the listener on; so what comes last has its threads."""
        self.end(self.listener)
        self.threads[0].join()
        for one in self.sockets:
            self.end(one)
        for thread in self.threads:
            thread.join()
        for one in self.sockets:
            one.close()

    @staticmethod
    def end(one):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # its peer was faster
