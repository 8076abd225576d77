"""What SFT, reward models, PPO, DPO and GRPO share. Each room stands alone; training/step.py makes the updates."""
