#!/usr/bin/env python3
"""PyTorch as the named peer: a network of the HAT space, one training step, one inference, or the decoding of rows.

    supertransformer_torch.py --subnet titanxp57 --batch 13 --threads 2     one training step, rows of 30 tokens
    supertransformer_torch.py --inference --batch 1 13                      one forward pass, eval mode
    supertransformer_torch.py --decode --batch 1 --beam 5                   a source encoded and 30 tokens decoded one by one
    supertransformer_torch.py --check GOLDEN.json [--check-training TRAINING.json]   is it the same network? (with
                                                                            --check-only nothing is timed)

A subnet is titanxp57 (titanxp@57.1ms), largest, or JSON as HAT writes it. A training step is: forward, label-smoothed
cross-entropy summed over the tokens, backward, Adam, zero_grad(set_to_none=True); no dropout, as in our program's. Decoding
keeps keys and values, takes the most probable token of each row, and reorders nothing. All in --precision. Rows have no padding,
so no mask is made. Modes:

    eager          as written; when decoding, attention reads as much of the caches as is filled
    compile        torch.compile, for inference and decoding with frozen weights; when decoding, one graph for every step, with
                   a mask over caches of fixed length
    jit            torch.jit.trace, freeze, optimize_for_inference (inference and decoding), caches as for compile

They take turns. Times are in milliseconds: minimum, lower quartile, median.
"""
import argparse
import sys

from common import arguments
from common.machine import set_environment
from supertransformer import subnet


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="More in the head of this file.")
    p.add_argument("--subnet", default="titanxp57", help="a name or JSON (titanxp57)")
    p.add_argument("--task", choices=subnet.TASKS, default="wmt")
    p.add_argument("--vocabulary", type=int, default=32768)
    p.add_argument("--length", type=int, help="tokens of source and target (30, iwslt 23)")
    p.add_argument("--batch", type=int, nargs="+", help="rows: 13; with --inference 1 13; with --decode 1")
    p.add_argument("--beam", type=int, default=1, help="with --decode: rows for a source (1)")
    what = p.add_mutually_exclusive_group()
    what.add_argument("--inference", action="store_true", help="eval-mode forward pass instead of a training step")
    what.add_argument("--decode", action="store_true", help="decoding token by token instead")
    p.add_argument("--lr", type=float, default=1e-5)
    arguments.add_precision(p)
    arguments.add_device(p)
    arguments.add_timing(p)
    arguments.add_outputs(p)
    p.add_argument("--check", metavar="GOLDEN.json", help="compare with golden logits first; stop if they differ")
    p.add_argument("--check-training", metavar="TRAINING.json", help="the same for losses and gradients")
    args = p.parse_args()
    args.batch = args.batch or ([1, 13] if args.inference else [1] if args.decode else [13])
    args.length = args.length or subnet.TASKS[args.task]["length"]
    arguments.take_modes(p, args, ("eager", "compile", "jit") if args.inference or args.decode else ("eager", "compile"))
    if args.vocabulary <= subnet.FIRST_WORD or not 1 <= args.length <= 256 or args.beam < 1:
        p.error(f"--vocabulary must be above {subnet.FIRST_WORD}, --length 1 to 256, --beam positive")
    try:
        args.subnet = subnet.parse(args.subnet, args.task)
    except argparse.ArgumentTypeError as error:
        p.error(f"--subnet: {error}")
    return args


args = parse_args()
set_environment(args.threads)
try:
    import time

    import torch

    from common import timing, torch_modes
    from common.generator import Failed
    from supertransformer import golden, network
except ImportError as error:
    sys.exit(f"supertransformer_torch.py: {error}; run bench/peers/install and use build/peers/venv/bin/python")


def decoding_step(mode, net, source):
    """A step that encodes the source and decodes args.length tokens of each row; keeps the tokens in `.tokens`."""
    net.eval()
    rows, views = len(source) * args.beam, mode == "eager"
    encode, decode = network.Memory(net), network.Step(net, args.beam, views)
    caches = decode.caches(rows, args.length)
    places = list(range(args.length)) if views else [torch.tensor([at]) for at in range(args.length)]
    seen = [torch.arange(args.length)[None] <= at for at in range(args.length)]
    first = torch.full((rows, 1), subnet.EOS)
    if mode == "compile":
        torch._inductor.config.freezing = True
        encode, decode = (torch.compile(part, fullgraph=True, dynamic=False) for part in (encode, decode))
    elif mode == "jit":
        optimized = lambda module, inputs: torch.jit.optimize_for_inference(
            torch.jit.freeze(torch.jit.trace(module.eval(), inputs)))
        with torch.no_grad():
            memory = encode(source)
            encode, decode = optimized(encode, (source,)), optimized(decode, (first, places[0], seen[0], memory, caches))

    def run():
        memory, token, tokens = encode(source), first, []
        for at in range(args.length):
            token = decode(token, places[at], seen[at], memory, caches).argmax(2)
            tokens.append(token)
        return torch.cat(tokens, 1)

    now = time.perf_counter

    def step():
        with torch.no_grad():
            t0 = now()
            step.tokens = run()
            t1 = now()
        return t0, t1
    step()
    with torch.no_grad():  # the same from whole rows, but for ties
        previous = torch.cat([first, step.tokens[:, :-1]], 1)
        logits = net(source.repeat_interleave(args.beam, 0), previous)
        taken = logits.gather(2, step.tokens[:, :, None])[:, :, 0]
    if not torch.allclose(taken, logits.amax(2), rtol=1e-3, atol=1e-4 * logits.abs().max().item()):
        raise Failed("its tokens are not the most probable ones")
    return step


def prepare(mode, batch):
    """A step of the mode. Compiles on its first calls."""
    net = torch_modes.place(network.make(args.subnet, args.vocabulary, args.task), mode)
    torch.manual_seed(1)
    source, previous, labels = torch.randint(subnet.FIRST_WORD, args.vocabulary, (3, batch, args.length))
    if args.decode:
        return decoding_step(mode, net, source)
    if args.inference:
        return torch_modes.inference_step(mode, net, (source, previous))
    optimizer = torch.optim.Adam(net.parameters(), lr=args.lr, betas=(0.9, 0.98), eps=1e-8, fused=True)
    return torch_modes.training_step(mode, net, (source, previous), labels, network.loss, optimizer, args.precision)


def main():
    say = timing.speaker(args)
    torch_modes.set_up(args.threads, args.device)
    try:
        if args.check:
            golden.check_forward(args.check, say)
        if args.check_training:
            golden.check_training(args.check_training, say)
    except Failed as error:
        sys.exit(f"supertransformer_torch.py: not the network of the specification: {error}")
    if args.check_only:
        return
    if args.outputs:
        return torch_modes.print_outputs(network.make(args.subnet, args.vocabulary, args.task),
                                         *map(golden.tokens, subnet.rows(args.vocabulary, args.length)))
    machine = torch_modes.machine()
    trains = not (args.inference or args.decode)
    record = {"program": "pytorch", "what": "training step" if trains else "decoding" if args.decode else "inference",
              "space": "supertransformer", "subnet": args.subnet, "task": args.task, "vocabulary": args.vocabulary,
              "input": [args.length], "beam": args.beam if args.decode else None, "threads": args.threads, "dtype": args.precision,
              "parameters": sum(p.numel() for p in network.Network(args.subnet, args.vocabulary, args.task).parameters()),
              "optimizer": "adam (fused)" if trains else None,
              "checked": bool(args.check or args.check_training), "machine": machine, "runs": []}
    say(torch_modes.title(machine, args.threads))
    say(f"{record['what']}, {args.task}, vocabulary {args.vocabulary}, {args.length} tokens, {record['parameters']} parameters, "
        f"{args.subnet}")
    for batch in args.batch:
        run = torch_modes.measure(args, batch, prepare, say)
        record["runs"].append(run)
        timing.report(run, say)
    timing.write(args, record)


if __name__ == "__main__":
    main()
