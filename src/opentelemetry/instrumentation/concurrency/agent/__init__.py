"""The agent that answers the command line: one unix socket per process, an I/O thread and a worker thread.

``socket_paths`` defines the locations and the trust of sockets, for both ends; ``protocol`` defines the messages;
``agent`` owns the threads; ``answers`` implements the requests.
"""
