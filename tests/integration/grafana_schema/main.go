// Checks a dashboard against Grafana's schema, as its SDK holds it: prints each field that is unknown, of another type or
// missing, one per line.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	var checked dashboard.Dashboard
	if err := checked.UnmarshalJSONStrict(raw); err != nil {
		fmt.Println(err)
	}
	if err := checked.Validate(); err != nil {
		fmt.Println(err)
	}
}
