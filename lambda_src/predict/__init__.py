"""The predict function: an image or a link to one comes in, labels with probabilities go out.

Shipped alone as the folder `predict`; the Lambda's handler string is `predict.handler.handle`.
"""
