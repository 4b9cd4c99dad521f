# shellcheck shell=bash
# Sourced by the other scripts: runs the stages of a script and says how long each took.
#   stage NAME COMMAND [ARGUMENT ...]   runs the command, keeps its exit status
# A table of all stages is printed when the script ends, however it ends.

stage_table=()

stage() {
  local name=$1 status=0 start=$EPOCHREALTIME
  shift
  printf '\n==> %s: %s\n' "$name" "$*"
  "$@" || status=$?
  local tenths=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/} + 50000) / 100000))
  local row
  printf -v row '%-12s %7d.%d s' "$name" $((tenths / 10)) $((tenths % 10))
  [[ $status -eq 0 ]] || row+="   failed (exit status $status)"
  stage_table+=("$row")
  printf '<== %s\n' "$row"
  return "$status"
}

print_stages() {
  printf '\nStages:\n'
  printf '  %s\n' "${stage_table[@]}"
}
trap print_stages EXIT
