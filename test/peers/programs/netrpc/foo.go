package main

type Numbers struct{ Num1, Num2 int }

type Order struct {
	ID       int
	Customer Customer
	Lines    []OrderLine
	Note     string
	Paid     bool
	Total    float64
}

type Customer struct {
	Name, Email string
	Address     Address
}

type Address struct{ Street, City, Postcode string }

type OrderLine struct {
	SKU, Title string
	Quantity   int
	Price      float64
	Tags       []string
}

type Foo struct{}

func (Foo) Sum(args Numbers, reply *int) error {
	*reply = args.Num1 + args.Num2
	return nil
}

func (Foo) Echo(order Order, reply *Order) error {
	*reply = order
	return nil
}
