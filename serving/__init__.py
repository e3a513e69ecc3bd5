"""The inference container: answers /ping and /invocations for one model artefact; ships alone."""
