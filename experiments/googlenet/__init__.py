"""GoogLeNet, "Going Deeper with Convolutions" (arXiv:1409.4842), on ImageNet."""
