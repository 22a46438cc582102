#!/bin/sh
# Stands in for the trainer in tests: does what the test wrote beside the folder of the runs. `RUN` is the run's
# folder, `HERE` the one that the test can see.
RUN=$3
HERE=$3/../../..
. "$HERE/trainer.sh"
