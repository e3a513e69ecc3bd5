"""From a folder of labelled images to a model artefact; ships alone as the training job's source."""
