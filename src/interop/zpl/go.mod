module github.com/jtacoma/go-zpl

go 1.26
