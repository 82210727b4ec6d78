"""A Flask service that leaks a thread with each request."""

import os
import threading

from flask import Flask

app = Flask(__name__)
never = threading.Event()


@app.get("/leak")
def leak():
    threading.Thread(target=never.wait, daemon=True).start()  # the leak
    return str(os.getpid())


@app.get("/healthy")
def healthy():
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()
    return str(os.getpid())
