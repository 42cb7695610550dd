"""torchrun's agent, made to end with the process that started it. `python -m headrace.parallel.agent ARGUMENTS`."""

from torch.distributed.run import main

from headrace.parallel.parent import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    main()
