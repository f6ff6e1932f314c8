"""Black-box harness for Matrix homeservers.

Starts real servers on free ports and fresh data, drives them over HTTP as clients do and
checks what the clients see.  Nothing here knows a server: only ``launchers/`` does.
"""
