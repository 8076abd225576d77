"""Reading and writing token by token: readable and fast readers, greedy, sampling, beam search."""
