"""How a stage is: its state, its logs, whether an account is ready for it, and what of it bills for nothing."""
