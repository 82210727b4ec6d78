"""A Django service in one file that leaks a thread with each request; run as ``manage.py`` is."""

import os
import sys
import threading

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

never = threading.Event()


def leak(_request):
    threading.Thread(target=never.wait, daemon=True).start()  # the leak
    return HttpResponse(str(os.getpid()))


def healthy(_request):
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()
    return HttpResponse(str(os.getpid()))


urlpatterns = [path("leak", leak), path("healthy", healthy)]

if __name__ == "__main__":
    settings.configure(DEBUG=False, SECRET_KEY="none", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], USE_TZ=True)
    execute_from_command_line(sys.argv)
