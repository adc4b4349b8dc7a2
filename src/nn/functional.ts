/** Functional forms of the layers (`torch.nn.functional`): the operators that take their weights as arguments. */
