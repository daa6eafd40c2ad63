# bash completion for medfm. @HEAD@
# Put it where bash looks, or: source medfm.bash

@TABLES@

# "stage<TAB>verb" for each stage of a pipeline, shipped or in a file.
_medfm_stages_of() {
  if [ -f "$1" ]; then
    awk '{ sub(/#.*/, "") }
      /^[A-Za-z][A-Za-z0-9_-]*:/ { line = $0; sub(/:.*/, ""); name = $0; names[++n] = name; verbs[name] = name; $0 = line }
      /[{ ]verb: / { sub(/.*[{ ]verb: */, ""); sub(/[ ,}].*/, ""); verbs[name] = $0 }
      END { for (i = 1; i <= n; i++) print names[i] "\t" verbs[names[i]] }' "$1" 2> /dev/null
  else
    _medfm_stages "${1#run/}"
  fi
}

# The keys of a verb, or of a pipeline's stages.
_medfm_keys_of() {
  _medfm_keys "$1"
  [ "$1" = run ] || return
  local stage verb line
  while IFS=$'\t' read -r stage verb; do
    while IFS= read -r line; do
      printf '%s\n' "$stage.$line"
    done < <(_medfm_keys "$verb")
  done < <(_medfm_stages_of "$2")
}

# The values that a key can have, where they are few.
_medfm_values_of() {
  local key=$3 stage verb
  _medfm_values "$1 $key"
  [ "$1" = run ] || return
  while IFS=$'\t' read -r stage verb; do
    case "$key" in "$stage".*) _medfm_values "$verb ${key#"$stage".}" ;; esac
  done < <(_medfm_stages_of "$2")
}

# Words of table lines that begin with $1, from stdin, into COMPREPLY.
_medfm_offer() {
  local line
  while IFS= read -r line; do
    line=${line%%$'\t'*}
    case "$line" in "$1"*) COMPREPLY+=("$line") ;; esac
  done
}

_medfm_offer_files() {
  local line
  compopt -o filenames 2> /dev/null
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$@")
}

_medfm() {
  COMPREPLY=()
  # The word at the cursor and those before it as the shell will pass them: bash's own list is
  # split at every = and :
  local typed=${COMP_LINE:0:COMP_POINT} word current="" command="" verb="" recipe="" skip=""
  local -a words positional=()
  read -r -a words <<< "$typed"
  case "$typed" in *[[:space:]]) current="" ;; *)
    current=${words[${#words[@]} - 1]}
    unset "words[${#words[@]}-1]"
    ;;
  esac

  local takes=""
  for word in "${words[@]:1}"; do
    if [ -n "$skip" ]; then
      skip=""
      continue
    fi
    case "$word" in
      -*)
        takes=$(_medfm_takes "$command" | while IFS=$'\t' read -r flag kind; do
          [ "$flag" = "$word" ] && printf '%s' "$kind"
        done)
        [ -n "$takes" ] && skip=$takes
        ;;
      *)
        if [ -n "$(_medfm_commands "$command")" ]; then
          command="${command:+$command }$word"
        else
          positional+=("$word")
        fi
        ;;
    esac
  done
  verb=${command%% *}

  case "$skip" in
    FOLDER) _medfm_offer_files -d -- "$current" && return ;;
    ?*) return ;;
  esac
  case "$current" in
    -*)
      _medfm_offer "$current" < <(_medfm_options "$command")
      return
      ;;
  esac
  if [ -n "$(_medfm_commands "$command")" ]; then
    _medfm_offer "$current" < <(_medfm_commands "$command")
    return
  fi

  case "$command" in
    "recipes ls") _medfm_offer "$current" < <(_medfm_recipes "" | cut -d / -f 1 | sort -u) ;;
    "recipes show") _medfm_offer "$current" < <(_medfm_recipes "") ;;
    "recipes cp")
      if [ ${#positional[@]} -eq 0 ]; then
        _medfm_offer "$current" < <(_medfm_recipes "")
      else
        _medfm_offer_files -f -- "$current"
      fi
      ;;
    schema)
      _medfm_offer "$current" < <(
        _medfm_recipes "" | cut -d / -f 1 | sort -u
        _medfm_recipes "" | grep '^run/'
      )
      ;;
    predict) _medfm_offer_files -f -- "$current" ;;
    doctor) ;;
    *)
      if [ ${#positional[@]} -eq 0 ]; then
        _medfm_offer "$current" < <(_medfm_recipes "$verb")
        _medfm_offer_files -f -X '!*.y*ml' -- "$current"
        _medfm_offer_files -d -- "$current"
        return
      fi
      recipe=${positional[0]}
      case "$current" in
        *=*)
          local key=${current%%=*} value=${current#*=} before="" index
          case "$COMP_WORDBREAKS" in *=*) ;; *) before="$key=" ;; esac
          _medfm_offer "$value" < <(_medfm_values_of "$verb" "$recipe" "$key")
          [ ${#COMPREPLY[@]} -gt 0 ] || _medfm_offer_files -f -- "$value"
          for index in "${!COMPREPLY[@]}"; do COMPREPLY[index]=$before${COMPREPLY[index]}; done
          ;;
        *)
          _medfm_offer "$current" < <(_medfm_keys_of "$verb" "$recipe")
          compopt -o nospace 2> /dev/null
          ;;
      esac
      ;;
  esac
}

complete -F _medfm medfm
