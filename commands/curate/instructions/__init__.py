"""Instruction records: questions with true answers, made from labels."""
