"""Fine-tuning: a network learns from a user's accepted corrections.

`settings` and `events` are free of torch, so that a viewer can import them; `finetune_steps` in
`finetune` does the work, in a process of its own.
"""
