# fish completion for medfm. @HEAD@
# Put it in ~/.config/fish/completions/

@TABLES@

# "stage<TAB>verb" for each stage of a pipeline, shipped or in a file.
function __medfm_stages_of
    if test -f "$argv[1]"
        awk '{ sub(/#.*/, "") }
      /^[A-Za-z][A-Za-z0-9_-]*:/ { line = $0; sub(/:.*/, ""); name = $0; names[++n] = name; verbs[name] = name; $0 = line }
      /[{ ]verb: / { sub(/.*[{ ]verb: */, ""); sub(/[ ,}].*/, ""); verbs[name] = $0 }
      END { for (i = 1; i <= n; i++) print names[i] "\t" verbs[names[i]] }' "$argv[1]" 2>/dev/null
    else
        __medfm_stages (string replace -r '^run/' '' -- "$argv[1]")
    end
end

function __medfm_keys_of
    __medfm_keys $argv[1]
    test "$argv[1]" = run; or return
    __medfm_stages_of $argv[2] | while read -l -d \t stage verb
        __medfm_keys $verb | string replace -r '^' "$stage."
    end
end

function __medfm_values_of
    __medfm_values "$argv[1] $argv[3]"
    test "$argv[1]" = run; or return
    __medfm_stages_of $argv[2] | while read -l -d \t stage verb
        if string match -q -- "$stage.*" $argv[3]
            __medfm_values "$verb "(string replace -- "$stage." '' $argv[3])
        end
    end
end

# Everything that fits at the cursor.
function __medfm_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l command ''
    set -l positional
    set -l skip ''
    for word in $words[2..-1]
        if test -n "$skip"
            set skip ''
            continue
        end
        if string match -q -- '-*' $word
            set skip (__medfm_takes "$command" | while read -l -d \t flag kind
                test "$flag" = "$word"; and echo $kind
            end)
        else if test -n "$(__medfm_commands "$command")"
            set command (string trim -- "$command $word")
        else
            set -a positional $word
        end
    end
    set -l verb (string split -- ' ' $command)[1]

    if test -n "$skip"
        test "$skip" = FOLDER; and __fish_complete_directories "$current"
        return
    end
    if string match -q -- '-*' "$current"
        __medfm_options "$command"
        return
    end
    if test -n "$(__medfm_commands "$command")"
        __medfm_commands "$command"
        return
    end
    switch "$command"
        case 'recipes ls'
            __medfm_recipes '' | string replace -r '/.*' '' | sort -u
        case 'recipes show'
            __medfm_recipes ''
        case 'recipes cp'
            if test (count $positional) -eq 0
                __medfm_recipes ''
            else
                __fish_complete_path "$current"
            end
        case schema
            __medfm_recipes '' | string replace -r '/.*' '' | sort -u
            __medfm_recipes '' | string match 'run/*'
        case predict
            __fish_complete_path "$current"
        case doctor
        case '*'
            if test (count $positional) -eq 0
                __medfm_recipes $verb
                __fish_complete_suffix .yaml
                return
            end
            if string match -q -- '*=*' "$current"
                set -l key (string replace -r '=.*' '' -- "$current")
                set -l values (__medfm_values_of $verb $positional[1] $key)
                if test -n "$values"
                    string replace -r '^' "$key=" -- $values
                else
                    __fish_complete_path (string replace -r '^[^=]*=' '' -- "$current") | string replace -r '^' "$key="
                end
            else
                __medfm_keys_of $verb $positional[1]
            end
    end
end

complete -c medfm -f -a '(__medfm_complete)'
