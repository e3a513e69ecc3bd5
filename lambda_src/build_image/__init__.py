"""The custom resource that owns the serving image when CodeBuild builds it.

Shipped alone as the folder `build_image`; the Lambda's handler string is `build_image.handler.handle`.
"""
