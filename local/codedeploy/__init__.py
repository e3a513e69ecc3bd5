"""CodeDeploy for Lambda: an alias moves from one version to another step by step, guarded by alarms."""
