"""A training loop for tiny models that keeps a GPU busy.

TRL's trainers are made for models whose forward pass dwarfs everything around it. With 20 million weights it
is the other way round: collators, processors and Python loops over rows take longer than the arithmetic.
This package trains the same weights (`network`) on the same prompts, replies and pictures (`boards`), with
the losses of `vsp_gym_trl.losses`, and is judged by the same scorer (`evaluation`); only the loop is its own.

Data are arrays that live on the device, weights are one flat buffer (`weights`), replies are sampled with a
static key-value cache, and layers are compiled one by one.
"""
