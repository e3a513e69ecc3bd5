"""Preflight: would a deploy of this stage, and the work after it, fail for want of something in the account?"""
