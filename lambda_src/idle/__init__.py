"""The idle sweep: looks for what runs or bills without use, tells of it, and stops what may be stopped.

Shipped alone as the folder `idle`; the Lambda's handler string is `idle.handler.handle`.
"""
