# Completion of siltd, silt and silt-inspect in bash. Flags are asked of the programs: they know best.

_silt_flags() {
    "$1" --help 2>/dev/null | grep -oE '(^|[[:space:]])--?[a-zA-Z][a-zA-Z-]*' | tr -d ' ' | sort -u
}

_silt_databases() {
    "$1" -no-rc -format csv -execute 'show databases' </dev/null 2>/dev/null | sed '1d; s/^databases,//'
}

_silt() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" program="${COMP_WORDS[0]}"
    COMPREPLY=()
    case "$previous" in
        --config | -credentials | -output | -path | -socket | -state | -report | import) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        --data-dir | --into | import-influxdb | verify | report | restore | backup) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
        -format) mapfile -t COMPREPLY < <(compgen -W "column csv json table vertical line" -- "$current"); return ;;
        -precision) mapfile -t COMPREPLY < <(compgen -W "rfc3339 h m s ms u ns" -- "$current"); return ;;
        -consistency) mapfile -t COMPREPLY < <(compgen -W "any one quorum all" -- "$current"); return ;;
        -type) mapfile -t COMPREPLY < <(compgen -W "influxql" -- "$current"); return ;;
        -users) mapfile -t COMPREPLY < <(compgen -W "ask random none" -f -- "$current"); return ;;
        migrate) mapfile -t COMPREPLY < <(compgen -W "http:// https://" -- "$current"); return ;;
        -host) mapfile -t COMPREPLY < <(compgen -A hostname -- "$current"); return ;;
        -database | export) mapfile -t COMPREPLY < <(compgen -W "$(_silt_databases "$program")" -- "$current"); return ;;
        --database | --checkpoint | -execute | -username | -password | -port | -rp | -jobs | -pps | -from-line | -start | -end | -from-username | -from-password | -since | -until | -rate | -slice | -patience | -keep | --http-bind) return ;;
    esac
    if [[ "$current" == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_silt_flags "$program")" -- "$current")
    elif [[ "$program" == *silt ]]; then
        mapfile -t COMPREPLY < <(compgen -W "import export migrate backup" -- "$current")
    elif [[ "$program" == *silt-inspect && $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "verify report dump repair export restore import-influxdb" -- "$current")
    elif [[ "$program" == *silt-inspect ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -o filenames -F _silt siltd silt silt-inspect
