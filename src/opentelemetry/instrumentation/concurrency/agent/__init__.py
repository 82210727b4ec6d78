"""What answers the command line: one unix socket a process, a thread that talks, one that works.

``places`` says where sockets are and which of them can be believed, for both ends; ``protocol`` what goes over them;
``agent`` owns the threads; ``answers`` says what each request does.
"""
