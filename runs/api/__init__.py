"""The public API under /v1: the OpenAI Assistants protocol.

Loaded when the first request for it comes (see config/api.py), for it costs memory.
"""
