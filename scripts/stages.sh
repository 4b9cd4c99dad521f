# shellcheck shell=bash
# Sourced by the other scripts: runs the stages of a script and says how long each took.
#   stage NAME COMMAND [ARGUMENT ...]   runs the command or function, keeps its exit status
# A table of all stages is printed when the script ends, however it ends.

stage_table=()

stage() {
  local name=$1 status start=$EPOCHREALTIME
  shift
  printf '\n==> %s: %s\n' "$name" "$*"
  # Not `"$@" || status=$?`: that would let a function run on after an error.
  set +e
  (
    trap - EXIT
    set -e
    "$@"
  )
  status=$?
  set -e
  local tenths=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/} + 50000) / 100000))
  local row
  printf -v row '%-12s %7d.%d s' "$name" $((tenths / 10)) $((tenths % 10))
  [[ $status -eq 0 ]] || row+="   failed (exit status $status)"
  stage_table+=("$row")
  printf '<== %s\n' "$row"
  return "$status"
}

print_stages() {
  [[ ${#stage_table[@]} -gt 0 ]] || return 0
  printf '\nStages:\n'
  printf '  %s\n' "${stage_table[@]}"
}
trap print_stages EXIT
