"""What help and answers say, as data: panels, examples, and what other programs call things."""

from __future__ import annotations

# Panels of options, for all commands that have so many that they need some.
OPTIONS = {
    "Stimuli": ("stimuli", "limit", "range", "data"),
    "Choice": ("classes", "prompt", "labels", "combine"),
    "Decision": (
        "rule", "delta", "eta", "stages", "max_draws", "weighting", "smoothing", "calibration",
        "seed",
    ),
    "Model": (
        "model", "config", "lora", "without", "quantise", "resolution", "protocol", "test_noise",
    ),
    "Computing": (
        "device", "dtype", "batch_size", "backend", "address", "jobs", "slurm", "shard",
        "print_sbatch", "reproducible",
    ),
    "Output": ("out", "json", "keep_draws", "map", "of", "against"),
}  # fmt: skip
MANY = 12  # options of a command that has panels

# What a command is typed like. Help shows it, and an answer does where something is missing.
EXAMPLES = {
    "classify": "classify cat.jpg --classes cat,dog",
    "evaluate": "evaluate natural-32 --stimuli photos/ --out runs/1",
    "study": "study study.yaml --dry-run",
    "models": 'models "stable-*"',
    "demo": "demo --out demo",
    "app": "app --open",
    "report": "report runs/ --open",
    "compare": "compare runs/1 runs/2",
    "export": "export runs/1 --out csv",
    "cite": "cite runs/1",
    "power": "power --accuracy 0.8 --accuracy 0.7 --kappa 0.3",
    "reproduce": "reproduce jaini2024 --out reproduction",
    "status": "status runs/1",
    "check": "check runs/1",
    "merge": "merge runs/1 runs/2 --out runs/both",
    "push": "push runs/1 me/my-runs --dry-run",
    "reconstruct": 'reconstruct cat.jpg --prompt "a cat" --prompt "a dog"',
    "frequency": "frequency photos/ --classes cat,dog",
    "calibrate": "calibrate --self-generated 200 --out calibration.json",
    "fit-weighting": "fit-weighting --self-generated 200 --out weighting.json",
    "convert": "convert var_d16.pth vae_ch160v4096z32.pth --out var-d16",
    "info": "info --json",
    "analyse weighting": "analyse weighting runs/1",
    "analyse time": "analyse time runs/1 --figure time.svg",
    "analyse rules": "analyse rules runs/1",
    "analyse seeds": "analyse seeds runs/1",
    "data list": "data list",
    "data get": "data get cue-conflict",
    "data import": "data import results.csv --out people --kind human",
    "data check": "data check cue-conflict",
    "data make": "data make --from photos/ --manipulation contrast --out made",
    "data draw": "data draw --out drawn",
    "experiment people": "experiment people edge --out site",
    "experiment serve": "experiment serve site",
    "experiment augmentation": "experiment augmentation --train train.parquet --test test.parquet "
    "--out augmentation",
    "experiment cues": "experiment cues --out cues",
    "illusion dial": "illusion dial --classes cat,dog",
    "illusion classics": "illusion classics --name duck-rabbit",
    "train generative": "train generative --data cifar10.parquet --out trained",
    "train tokens": "train tokens --data cifar10.parquet --out trained",
    "train discriminative": "train discriminative --data photos/ --out trained",
}

ALONE = ("models", "report", "info", "demo", "app", "data list")  # need no more words

# What other programs call our commands: what to type, before what else was typed.
OTHER_COMMANDS = {
    "classify": ("predict", "infer", "inference", "run-image", "recognise", "recognize", "label"),
    "evaluate": ("run", "eval", "test", "benchmark", "bench", "score", "resume", "start",
                 "validate"),
    "models": ("list-models", "list", "ls", "model", "zoo", "search", ),
    "report": ("results", "result", "accuracy", "plot", "figure", "figures", "page", "html", "show",
               "view", "open", "summary", "summarise", "summarize", "shape-bias", "metrics",
               "error-consistency", "kappa", "visualize", "visualise", "plots", "table"),
    "compare": ("diff", "difference", "ttest"),
    "status": ("progress", "ps", "runs", "jobs", "watch"),
    "check": ("verify", "repair", "fsck"),
    "export": ("csv", "save", "to-csv", "dump"),
    "cite": ("citation", "bibtex", "references", "paper"),
    "info": ("version-info", "env", "environment", "doctor", "debug", "device", "devices", "about",
             "system", "gpu", "cache", "bug"),
    "version": (),
    "demo": ("tutorial", "tour", "example", "examples", "quickstart", "try", "start-here"),
    "app": ("serve", "ui", "gui", "web", "webui", "gradio", "server", "interactive"),
    "study": ("sweep", "grid", "config", "experiments", "pipeline"),
    "analyse": ("analyze", "analysis"),
    "data list": ("datasets", "dataset", "list-datasets", "list-data", "stimuli", "data ls",
                  "data show", "data info", "data all"),
    "data get": ("download", "get", "fetch", "pull", "data download", "data fetch", "data pull",
                 "data add", "data install"),
    "data make": ("manipulate", "distort", "corrupt", "data manipulate", "data create"),
    "data import": ("import", "data read", "data load"),
    "reconstruct": ("generate", "sample", "denoise", "reconstruction", "imagine"),
    "illusion classics": ("illusions", "duck-rabbit", "illusion duck-rabbit", "illusion classic"),
    "experiment people": ("people", "humans", "human", "participants", "survey", "psychophysics"),
    "power": ("sample-size", "samplesize", "trials"),
    "train discriminative": ("fit", "finetune", "fine-tune", "train cnn", "train resnet",
                             "train classifier", "train network"),
    "train generative": ("train diffusion", "train flow", "train model"),
    "--install-completion": ("completion", "completions", "install-completion"),
}  # fmt: skip
# And those that no command of ours does.
NO_COMMANDS = {
    "help": "type `synthesight -h`, or -h after a command",
    "rm": "a run is a folder, which you can delete as any other",
    "delete": "a run is a folder, which you can delete as any other",
    "clean": "`synthesight info` tells where caches are, which you can delete",
    "stop": "press Ctrl-C, or end the process: nothing is lost",
    "cancel": "press Ctrl-C, or end the process: nothing is lost",
    "update": "type `pip install --upgrade synthesight`",
    "upgrade": "type `pip install --upgrade synthesight`",
    "install": "type `pip install 'synthesight[EXTRA]'`; `synthesight info` lists the extras",
    "init": "nothing needs to be set up: try `synthesight demo`",
    "setup": "nothing needs to be set up: try `synthesight demo`",
    "login": "set HF_TOKEN, or type `hf auth login`, for models that need a login",
    "docs": "type `synthesight -h`, or -h after a command",
}

# What other programs call our options. Of several, the first that the command has.
OTHER_OPTIONS = {
    "--classes": ("--class", "--class-names", "--categories", "--category", "--names", "--text",
                  "--texts", "--candidates", "--candidate-labels", "--choices", "--vocabulary",
                  "--class-list", "--options", "--label"),
    "--stimuli": ("--dataset", "--datasets", "--images", "--image", "--input", "--inputs", "-i",
                  "--folder", "--dir", "--path", "--data", "--data-dir", "--image-dir", "--photos",
                  "--source", "--test-data", "--root", "-s", "-d", "--img", "--file", "--task",
                  "--tasks", "--split", "--benchmark"),
    "--model": ("--models", "--checkpoint", "--ckpt", "--weights", "--pipeline", "--arch", "--net",
                "--backbone", "--pretrained", "--network", "--model-name", "--model-id",
                "--observer", "--model-path", "--model-name-or-path", "--architecture",
                "--pretrained-model-name-or-path"),
    "--out": ("--output-dir", "--outdir", "--output-folder", "--out-dir", "--save", "--save-to",
              "--output-file", "--dest", "--destination", "--results", "--to",
              "--results-dir", "--save-dir", "--run", "--name", "--run-name",
              "--log-dir", "--write", "--output-path"),
    "--max-draws": ("--draws", "--steps", "--num-samples", "--samples", "--n-samples",
                    "--num-inference-steps", "--inference-steps", "--timesteps", "--n-draws",
                    "--num-draws", "--trials", "--n-trials", "--budget", "--max-steps",
                    "--num-steps", "--iterations", "--repeats", "--noise-samples"),
    "--limit": ("--n", "-n", "--num-images", "--max-images", "--subset", "--num", "--count",
                "--max-samples", "--n-images", "--sample", "--num-stimuli", "--first", "--size",
                "--max-stimuli", "--number", "--samples", "--num-samples", "--n-samples"),
    "--out results.csv": ("--csv", "--excel", "--tsv", "--xlsx", "--to-csv", "--save-csv"),
    "--out results.parquet": ("--parquet",),
    "--prompt": ("--template", "--templates", "--prompt-template", "--prompt-file", "--caption",
                 "-p"),
    "--map": ("--save-plot", "--plot", "--heatmap", "--saliency", "--attribution", "--explain",
              "--visualize", "--visualise", "--figure", "--save-figure"),
    "--figure": ("--plot", "--save-plot", "--save-figure", "--fig"),
    "--device cuda": ("--gpu", "--cuda", "--use-gpu", "--gpus"),
    "--device cpu": ("--cpu", "--no-gpu", "--no-cuda"),
    "--dtype": ("--precision", "--torch-dtype", "--data-type"),
    "--dtype float16": ("--fp16", "--half", "--float16", "--amp"),
    "--dtype bfloat16": ("--bf16", "--bfloat16", "--mixed-precision"),
    "--dtype float32": ("--fp32", "--float32", "--full-precision"),
    "--batch-size": ("--batch", "--bs", "-b", "--batchsize"),
    "--jobs": ("--workers", "--num-workers", "--processes", "--parallel", "-j", "--n-jobs",
               "--num-jobs"),
    "--rule": ("--method", "--strategy", "--algorithm", "--decision", "--decision-rule",
               "--classifier", "--mode"),
    "--rule exhaustive": ("--exhaustive", "--exact", "--all-draws"),
    "--rule sequential": ("--sequential", "--fast", "--adaptive"),
    "--delta": ("--confidence", "--alpha", "--tolerance", "--error"),
    "--seed": ("--random-seed", "--random-state", "--rng"),
    "--weighting": ("--weight", "--loss-weighting", "--time-weighting", "--timestep-weighting"),
    "--quantise": ("--quantize", "--load-in-8bit", "--load-in-4bit", "--int8", "--4bit", "--8bit"),
    "--resolution": ("--image-size", "--img-size", "--px", "--res"),
    "--keep-draws": ("--save-draws", "--save-errors", "--store-draws", "--keep-errors"),
    "--json": ("--jsonl", "--log-samples", "--format", "--output-format", "--machine-readable"),
    "--lora": ("--adapter", "--adapters", "--loras"),
    "--measure": ("--metric", "--metrics", "--measures"),
    "--accuracy": ("--acc", "--accuracies"),
    "--epochs": ("--num-epochs", "--n-epochs", "-e"),
    "--steps": ("--max-steps", "--num-steps", "--iterations"),
    "--learning-rate": ("--lr",),
    "--resamples": ("--bootstrap", "--n-bootstrap", "--bootstraps", "--n-resamples"),
    "--backend slurm": ("--sbatch", "--submit"),
    "--backend ray": ("--ray", "--distributed"),
    "--version": ("-v",),
    "--help": ("-?", "--usage", "--h"),
}  # fmt: skip
# And what is no option of ours, for whatever command.
NO_OPTIONS = {
    "progress goes to standard error: leave it out, and add 2>/dev/null to hide progress": (
        "--quiet", "-q", "--silent", "--no-progress", "--progress"),
    "leave it out: progress and messages are always shown": (
        "--verbose", "-v", "--debug", "-vv", "--log-level"),
    "leave it out: the same command goes on with an unfinished run": (
        "--resume", "--continue", "--restart", "--resume-from"),
    "no run is overwritten: give another --out, or delete its folder first": (
        "--force", "-f", "--overwrite", "--overwrite-output-dir", "--clobber", "--no-resume"),
    "type `synthesight --version`": ("--version", "-V", "--ver"),
    "leave it out: nothing asks for a confirmation": ("--yes", "-y", "--no-input", "--assume-yes"),
    "set the environment variable OMP_NUM_THREADS instead": ("--threads", "--num-threads"),
    "set the environment variable HF_TOKEN instead": ("--token", "--hf-token", "--auth-token"),
    "set the environment variable HF_HOME instead": ("--cache-dir", "--cache", "--hf-home"),
    "set the environment variable HF_HUB_OFFLINE=1 instead": ("--offline", "--local-files-only"),
    "set the environment variable NO_COLOR=1 instead": ("--no-color", "--no-colour", "--color"),
    "leave it out: no guidance is used, so that scores are likelihoods": (
        "--guidance-scale", "--guidance", "--cfg", "--cfg-scale", "--negative-prompt"),
    "leave it out: the table shows the likeliest classes, and --json all": (
        "--top-k", "--topk", "--top", "--top5", "--k", "-k", "--all"),
    "leave it out: code from elsewhere is never run": ("--trust-remote-code",),
    "name the model itself, as in --model owner/model": ("--model-args", "--model-kwargs"),
    "leave it out: images are judged one by one, without examples": ("--num-fewshot", "--shots"),
    "leave it out: tables have commas, or are Parquet or JSON by the suffix of --out": (
        "--sep", "--index", "--delimiter", "--header"),
    "`synthesight report RUN` sets people beside a run": ("--human", "--humans", "--people"),
    "`synthesight study FILE --dry-run` plans a study; to try a command, give --limit 10": (
        "--dry-run", "--plan", "--dryrun"),
    "`synthesight study` logs to trackers": (
        "--wandb", "--tensorboard", "--log", "--tracker", "--mlflow", "--trackio"),
    "`synthesight report RUN` shows accuracy, figures and tables": ("--report", "--plots"),
}  # fmt: skip
# And of one command.
OF_COMMANDS = {
    "--info": "type `synthesight info`",
    "--list-models": "type `synthesight models`",
    "export --to-csv": "leave it out: CSV in the published layout is what is written",
    "app --share": "leave it out: no page leaves this machine, and --host 0.0.0.0 lets others in",
    "report --html": "leave it out: the page is HTML",
    "report --format": "the page is HTML with figures as SVG and PNG: open it, and print it as PDF",
    "report --pdf": "the page is HTML with figures as SVG and PNG: open it, and print it as PDF",
    "export --format": "leave it out: CSV in the published layout is what is written",
    "export --csv": "leave it out: CSV in the published layout is what is written",
    "power --n": "leave it out: the table shows the power for 20 to 5,120 trials",
    "classify --save-plot": "type --map {value} for where the evidence is, or --out results.csv",
    "classify --limit": "name fewer images, or sample them by `synthesight evaluate --limit`",
}

# What to type where a path stands for a command of a group.
WITH_PATHS = {
    "train": "train discriminative --data {} --out trained",
    "data": "evaluate --stimuli {}",
    "experiment": "experiment people {} --out site",
    "analyse": "analyse rules {}",
    "illusion": "illusion dial {} --classes cat,dog",
}
