"""SageMaker hosting: models, endpoint configs and endpoints whose instances are processes."""
